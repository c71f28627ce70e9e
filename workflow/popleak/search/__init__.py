"""The search over the model axis: which configurations are accurate, fair and give little of the training population away."""
