"""Fine-tuning: from a folder of pairs to a model of one's own, in a process of its own. Knows no screen.

``settings``, ``state`` and ``process`` load no torch; the child process (``child``) and the plan do.
"""
