"""What the routes answer with: scores, customers, segments, promotions, deliveries. No HTTP here."""
