"""The demo: a real model server, real traffic, and the rollouts that people look at first."""
