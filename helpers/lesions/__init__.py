"""Lesions: units set to zero, the deficits they cause, and tests against random lesions."""
