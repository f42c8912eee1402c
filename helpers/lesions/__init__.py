"""Lesions of selective units, the recognition deficits they cause, and tests of these."""
