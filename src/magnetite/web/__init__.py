"""What a running node shows of itself over HTTP: metrics, and the control API."""
