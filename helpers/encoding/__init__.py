"""Encoding: regions predicted from units, by many rivals, in one grid."""
