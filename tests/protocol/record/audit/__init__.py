"""Records of toy federations, good ones and broken ones."""
