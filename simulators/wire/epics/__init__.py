"""EPICS devices and the server (IOC) through which they are reached: Channel Access by caproto, the plant's physics."""
