"""Raw events of a customer: taken in, kept in the event store, and turned into the features of a live score."""
