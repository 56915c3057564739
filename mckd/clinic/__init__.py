"""From the folder of a scanner or a PACS to a case, and back to its own series."""
