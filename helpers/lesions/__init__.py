"""Lesions: units silenced, what is no longer recognised, and is that more than chance?"""
