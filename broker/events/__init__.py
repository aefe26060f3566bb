"""EVENT IN: what Talkdesk tells us, from the raw request to stored facts and due tasks (docs/flows.md, "Event in").

Leaves to others: Talkdesk's keys (`talkdesk`), the transaction (`storage`), what follows from the facts (`converge`, `logout`).
"""
