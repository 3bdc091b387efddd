"""Entropy coding: integers that every machine computes alike, tables of frequencies, a range coder."""
