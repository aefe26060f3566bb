"""Is the demo's Talkdesk as strict as the documentation, and are browser and app what they claim to be?"""
