"""The demo networks trained from nothing: images → weights, with a record of how."""
