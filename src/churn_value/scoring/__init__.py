"""From features to one governed answer: bundle, policy, sub-scores, tier, portrait, reasons, actions.

`score.score` is the only scoring path; batch jobs and the service both call it. Everything here is a pure function of
the features, the model's outputs, the policy and the customer's previous answer.
"""
