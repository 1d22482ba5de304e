"""Notifications: what people are told, in words, and how it reaches them."""
