"""Points of the face mesh along the lips' inner edges."""

from __future__ import annotations

UPPER_EDGE = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
LOWER_EDGE = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
"""From the right corner of the mouth to the left, the corners in both."""
UPPER_LIP, LOWER_LIP = 13, 14
"""Their middles: what lies between them is the opening of the mouth."""
