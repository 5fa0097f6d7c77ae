# SPDX-License-Identifier: Apache-2.0
"""The hospital's gateway between its SuperNode and the SuperLink.

The app that trains comes from the SuperLink, so what the app does is no promise. The gate is the
hospital's own. It lets in only the apps that the hospital lists, and lets out no arrays.

Nothing that the SuperNode says is passed on. The gate reads a reply, takes from it the few things
that may leave, and builds a reply of its own from them. It speaks to the SuperLink with a key of
its own, so that no header and no signature can carry anything either.

    bundle.py     which runs and apps may come in
    reply.py      what of a reply may go out
    errand.py   one message of the ServerApp, from its pull to its answer
    superlink.py  the gate as a client of the SuperLink
    gate.py       what the SuperNode is answered, request by request
    listener.py   HTTP on the hospital's side
    command.py    python -m quorate_flower.gate
"""
