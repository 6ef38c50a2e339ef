"""The program beside a rollout: it is sent copies of requests, asks live version and candidate the same, and compares.

Nothing that it does can reach a user: it is on nobody's path, gives up work before memory, and may die at any time.
"""
