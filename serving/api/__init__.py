"""The public face: request and answer types, their formats, problems and documentation."""
