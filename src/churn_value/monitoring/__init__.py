"""What happens after a model went live: drift of its inputs, movement between tiers, outcomes that matured."""
