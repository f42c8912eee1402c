"""Small worlds that several test files share."""
