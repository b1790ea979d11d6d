"""Keys that are created by a ceremony: key specification, request, transcript, result, and their check."""
