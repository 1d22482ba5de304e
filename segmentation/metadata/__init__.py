"""What the platform's tables and features are, as pure data: nothing here opens, reads or writes anything."""
