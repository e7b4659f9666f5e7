"""How the job gets to a cluster; runs on a laptop or in CI."""
