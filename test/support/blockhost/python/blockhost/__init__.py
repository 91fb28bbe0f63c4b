"""Stand-in for the package of blockhost-common, written to what the contract says of it."""
