"""Having the router at home forward our port to us: PCP, NAT-PMP and UPnP, whichever it speaks."""
