"""Floor 6. The demo networks trained from nothing: pictures → weights, with a record of how."""
