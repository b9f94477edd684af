"""The service: requests in, governed answers out.

``app`` is the only importer of bentoml. ``http`` lays the routes and the order of the guards, ``answers`` composes one
response, ``champion`` follows the pointer to the verified bundle, ``store`` finds a customer's last scored features,
``events`` turns raw events into features, ``auth``, ``admission`` and ``strict_json`` refuse, ``problems`` lists what a
refusal can say, ``serve`` starts it all, and ``client`` is a caller's one-file client.
"""
