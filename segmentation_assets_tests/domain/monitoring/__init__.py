"""What is told of the lake, and how looks at it go."""
