"""What can be had over HTTP: a running node's metrics and control API, and the files of a download."""
