"""The same answers in the words of other servers' clients: MLflow's, CSV, and KServe's."""
