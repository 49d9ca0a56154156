"""What comes back to us of mail: bounces, complaints, and what they do to addresses and channel."""
