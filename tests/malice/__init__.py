"""An aggregator that does whatever it likes, and what it must never learn.

Hypothesis plays the aggregator and up to f hospitals that collude with it, against real hospitals
(``participant.agent.agent.Agent`` with many tasks at once: studies that train and statistics, which
they approve, withdraw from and end; a toy key of 512 bits). After every partial decryption an
oracle of linear algebra says what has been opened.

    .venv/bin/python -m tests.malice --sequences 10000 [--first SEED]
"""
