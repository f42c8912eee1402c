"""Make data available: drawn, downloaded, unpacked, verified."""
