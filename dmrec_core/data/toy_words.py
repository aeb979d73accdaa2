"""The words of the toy world: a small town's board games, books, cafés and evening classes, and what they are about."""

THEMES: dict[str, tuple[str, ...]] = {
    "space": (
        "rockets", "planets", "astronauts", "telescopes", "nebulae", "orbits", "comets", "starships",
        "moon landings", "black holes", "satellites", "gravity", "alien worlds", "launch pads", "galaxies", "meteors",
    ),
    "mystery": (
        "detectives", "clues", "alibis", "fingerprints", "suspects", "locked rooms", "poison", "red herrings",
        "witnesses", "motives", "secret letters", "inspectors", "blackmail", "footprints", "stakeouts", "confessions",
    ),
    "garden": (
        "roses", "herbs", "greenhouses", "seedlings", "orchards", "compost", "bees", "wildflowers",
        "pruning", "hedges", "tomatoes", "ferns", "ponds", "lavender", "tulip bulbs", "old oaks",
    ),
    "cooking": (
        "sourdough", "spices", "ramen", "dumplings", "olive oil", "roasting", "pastries", "broth",
        "chilli", "chocolate", "street food", "knives", "pickles", "grilling", "saffron", "cheese boards",
    ),
    "history": (
        "castles", "knights", "empires", "pharaohs", "treaties", "chronicles", "sieges", "archives",
        "ruins", "dynasties", "monks", "old maps", "crusades", "merchants", "kings", "revolutions",
    ),
    "music": (
        "jazz", "vinyl", "guitars", "choirs", "drummers", "pianos", "concerts", "melodies",
        "violins", "karaoke", "synthesizers", "folk songs", "saxophones", "rehearsals", "basslines", "open mics",
    ),
    "romance": (
        "love letters", "first dates", "weddings", "candlelight", "longing", "second chances", "ballrooms", "courtship",
        "heartbreak", "summer flings", "proposals", "soulmates", "secret admirers", "reunions", "kisses", "honeymoons",
    ),
    "sea": (
        "sailing", "pirates", "lighthouses", "whales", "harbours", "tides", "coral reefs", "shipwrecks",
        "mermaids", "oysters", "fishing nets", "storms", "islands", "submarines", "driftwood", "captains",
    ),
    "puzzles": (
        "logic", "riddles", "crosswords", "codes", "mazes", "chess", "patterns", "number games",
        "ciphers", "brain teasers", "jigsaws", "sudoku", "strategy", "paradoxes", "word games", "optical tricks",
    ),
    "wilderness": (
        "hiking", "campfires", "wolves", "mountain huts", "glaciers", "bears", "rock climbing", "forest trails",
        "tents", "waterfalls", "survival", "canoes", "stargazing", "snowshoes", "eagles", "compasses",
    ),
}  # fmt: skip

# A kind and an adjective say nothing about the theme: they are drawn evenly.
KINDS = ("board game", "novel", "café", "evening class", "picture book", "club", "magazine", "workshop")
ADJECTIVES = (
    "Little", "Old", "Second", "Northern", "Quiet", "Crooked", "Golden", "Hidden",
    "Corner", "Lucky", "Velvet", "Patient", "Bright", "Wandering", "Honest", "Midnight",
)  # fmt: skip

# Each text has twelve slots for theme words; {kind} is the item's kind.
TEMPLATES = (
    "People who enjoy {0}, {1} and {2} would like this {kind}. It is about {3} and {4}, with plenty of {5} and {6}, "
    "and a touch of {7}. Regulars mention its {8}, {9}, {10} and {11}.",
    "A {kind} for anyone who loves {0} and {1}. Regulars praise its {2}, {3} and {4}; newcomers stay for {5}, {6} "
    "and {7}. Ask about {8}, {9}, {10} or {11} and you will make friends.",
    "This {kind} is full of {0}, {1}, {2} and {3}. It would suit those who talk about {4}, {5} and {6} all day, "
    "who find joy in {7} or {8}, and who never tire of {9}, {10} and {11}.",
    "If {0} and {1} make you happy, try this {kind}: {2}, {3}, {4} and {5} in good company, some {6} and {7}, "
    "then {8}, {9}, {10} and {11} to finish.",
)
