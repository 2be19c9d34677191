"""Fine-tuning: a better model of one's own, proven before it takes over. Knows no screen."""
