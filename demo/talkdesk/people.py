"""Two customers, three people and two apps to play with."""

from demo.talkdesk.model import Account, App, User

ANA = User("573491d5df012e3242001b52", "Ana Sousa", "ana@acme.example")
BRUNO = User("573491d5df012e3242001b53", "Bruno Costa", "bruno@acme.example")
CARLA = User("60c1f3a2b7d84e0011a2b3c4", "Carla O'Neill", "carla@globex.example")

ACME = Account("5e8d60283cc24683a9523319", "acme", "Acme", (ANA, BRUNO))
GLOBEX = Account("5e8d60283cc24683a9523320", "globex", "Globex & Sons", (CARLA,))
ACCOUNTS = (ACME, GLOBEX)

WALLBOARD_ID = "f918e2623486417791f3b5a18ca746ce"
NOTES_ID = "8fcf7a3762d94f938e71b3a42618fd14"


def wallboard(*, events_url: str, standalone_url: str, redirect_url: str) -> App:
    return App(WALLBOARD_ID, "Wallboard", events_url, standalone_url, redirect_url)


def notes(*, events_url: str, standalone_url: str, redirect_url: str) -> App:
    return App(NOTES_ID, "Notes", events_url, standalone_url, redirect_url)


def apps_at(broker_url: str) -> tuple[App, App]:
    """Both apps, registered with the three addresses of a broker."""
    urls = {
        "events_url": f"{broker_url}/talkdesk/events",
        "standalone_url": f"{broker_url}/talkdesk/launch",
        "redirect_url": f"{broker_url}/talkdesk/callback",
    }
    return wallboard(**urls), notes(**urls)
