"""Where networks lie among others: distances between predictions, and maps of them."""
