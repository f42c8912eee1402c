"""Networks of matched stages that were told different things, side by side and in time."""
