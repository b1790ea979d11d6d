"""What commands print: claims, tables, progress."""
