"""What a customer is likely to buy next, and what they are in the habit of buying and where."""
