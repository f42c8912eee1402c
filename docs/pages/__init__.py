"""Pages and tables that are made from the committed runs, records and tables of deviations."""
