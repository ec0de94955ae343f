"""The bodies of tools/dataset_converters/: one module a data set, and the steps they have in common."""
