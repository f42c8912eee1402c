"""The lexicon of the captions: nouns, colours, details, places and sentence frames."""

from __future__ import annotations

NOUNS: dict[str, tuple[str, ...]] = {
    "adult": ("face", "person's face", "adult's face", "human face", "grown-up's face"),
    "child": ("child's face", "kid's face", "child", "young face", "little kid"),
    "body": ("body", "person without a head", "headless person", "figure", "headless figure"),
    "limb": ("limb",),
    "hand open": ("open hand", "hand with spread fingers", "outstretched hand"),
    "hand closed": ("hand", "closed hand", "human hand"),
    "hand": ("hand", "human hand"),
    "arm": ("arm", "human arm", "bare arm"),
    "leg": ("leg", "human leg", "leg with a foot"),
    "corridor": ("corridor", "hallway", "passage", "hallway with doors"),
    "house": ("house", "home", "cottage", "house with a roof and windows", "family house"),
    "room": ("room", "furnished room", "room with a window", "room in a home"),
    "street": ("street", "city street", "road between buildings", "row of buildings"),
    "field": ("field", "ploughed field", "stretch of farmland", "open field"),
    "coast": ("coast", "beach", "seashore", "shore by the sea"),
    "mountains": ("mountain range", "row of mountains", "mountain view", "group of mountains"),
    "forest": ("forest", "wood", "forest of tall trees", "stand of trees"),
    "word": ("word", "written word", "printed word"),
    "pseudoword": ("made-up word", "nonsense word", "word without meaning"),
    "number": ("number", "printed number", "written number"),
    "car": ("car", "vehicle", "automobile"),
    "sedan": ("car", "sedan", "automobile"),
    "van": ("car", "van", "minibus"),
    "convertible": ("car", "convertible", "open car"),
    "instrument": ("musical instrument", "instrument"),
    "guitar": ("guitar", "acoustic guitar"),
    "violin": ("violin", "fiddle", "violin and bow"),
    "drum": ("drum", "drum with sticks", "snare drum"),
    "trumpet": ("trumpet", "brass trumpet", "horn"),
    "piano": ("piano", "upright piano"),
    "cup": ("cup",),
    "mug": ("mug", "cup", "coffee mug", "cup of coffee"),
    "teacup": ("teacup", "cup", "cup on a saucer", "cup of tea"),
    "chair": ("chair", "seat", "wooden chair", "kitchen chair"),
    "armchair": ("armchair", "chair", "soft chair", "easy chair"),
    "tool": ("tool",),
    "hammer": ("hammer", "claw hammer"),
    "scissors": ("pair of scissors", "pair of open scissors"),
    "wrench": ("wrench", "spanner"),
    "plant": ("plant",),
    "potted plant": ("potted plant", "plant in a pot", "house plant"),
    "flower": ("flower", "blossom", "flower on its stem"),
    "cactus": ("cactus", "spiny cactus", "cactus in a pot"),
    "food": ("piece of food", "snack"),
    "banana": ("banana", "ripe banana"),
    "carrot": ("carrot", "carrot with leaves"),
    "baguette": ("baguette", "loaf of bread", "stick of bread"),
    "apple": ("apple", "fresh apple"),
    "orange": ("round fruit", "citrus fruit", "piece of round fruit"),
    "cake": ("piece of cake", "slice of cake", "cake with a cherry"),
    "pizza": ("slice of pizza", "piece of pizza", "pizza slice"),
    "animal": ("animal",),
    "bird": ("bird", "little bird", "songbird"),
    "fish": ("fish", "swimming fish"),
    "cat": ("cat", "kitty", "cat with a long tail"),
    "dog": ("dog", "puppy", "hound"),
    "turtle": ("turtle", "tortoise"),
    "snake": ("snake", "winding snake", "serpent"),
}
"""Kind, variant or part → nouns that name it."""

COLOURS: dict[str, tuple[str, ...]] = {
    "red": ("red", "bright red", "crimson"), "orange": ("orange", "orange-coloured"),
    "yellow": ("yellow", "golden"), "green": ("green", "leaf-green"),
    "teal": ("teal", "turquoise"), "blue": ("blue", "deep blue"),
    "purple": ("purple", "violet"), "pink": ("pink", "rosy"), "brown": ("brown", "dark brown"),
    "black": ("black", "jet-black"), "grey": ("grey", "plain grey"),
    "white": ("white", "off-white"),
}

HAIR: dict[str, tuple[str, ...]] = {
    "black": ("black", "jet-black"), "brown": ("brown", "dark"), "blond": ("blond", "fair"),
    "red": ("red", "ginger"), "grey": ("grey", "silver"),
}

DETAILS: dict[str, tuple[str, ...]] = {
    "neutral": ("calm", "neutral", "serious"), "smiling": ("smiling", "happy", "friendly"),
    "laughing": ("laughing", "cheerful"), "sad": ("sad", "unhappy", "frowning"),
    "surprised": ("surprised", "astonished"), "angry": ("angry", "cross"),
    "happy": ("happy", "smiling"), "fearful": ("scared", "fearful"),
    "standing": ("standing", "standing upright", "that stands"),
    "walking": ("walking", "taking a step", "in mid-stride"),
    "sitting": ("sitting", "seated", "sitting down"),
    "reaching": ("reaching out", "with a raised arm", "stretching an arm"),
    "open": ("with spread fingers", "held open"), "fist": ("making a fist", "that is clenched"),
    "pointing": ("pointing", "with a pointing finger"),
    "victory": ("making a victory sign", "with two fingers up"),
    "upper": ("in capitals", "in upper case", "in capital letters"),
    "lower": ("in lower case", "in small letters"),
    "title": ("with a capital first letter", "in title case"),
    "slanted": ("slanted", "italic", "leaning"), "bold": ("bold", "heavy"),
    "light": ("thin", "fine"), "two lines": ("on two lines", "broken over two lines"),
    "arc": ("set in an arc", "along a curve", "in a bow"),
    "stacked": ("written downwards", "with letters stacked", "set in a column"),
    "plate": ("on",), "disc": ("on",),
    "stripes": ("striped", "stripy"), "dots": ("spotted", "dotted"),
}
"""Value of an attribute → ways to say it."""

PEOPLE: dict[str, tuple[str, ...]] = {
    "glasses": ("glasses", "spectacles", "eyeglasses"), "beard": ("a beard", "a full beard"),
    "hat": ("a hat", "a cap"), "top": ("shirt", "top", "sweater"),
    "left": ("looking to the side", "glancing sideways"),
    "right": ("looking to the side", "looking away"),
    "ahead": ("looking at the camera", "looking ahead"),
}

SIZES: dict[str, tuple[str, ...]] = {
    "small": ("small", "little"), "medium": ("medium-sized",), "large": ("big", "large"),
    "near": ("close", "nearby"), "far": ("distant", "far"), "natural": ("natural",),
    "built": ("man-made", "built"),
}

HOURS: dict[str, tuple[str, ...]] = {
    "day": ("by day", "in daylight"), "dusk": ("at dusk", "at sunset", "in evening light"),
    "night": ("at night", "after dark", "in the dark"),
    "overcast": ("on a cloudy day", "in grey weather", "under clouds"),
}

INDOOR_HOURS: dict[str, tuple[str, ...]] = {
    "day": ("in bright light", "well lit"), "dusk": ("in warm light",),
    "night": ("in dim light", "in the dark"), "overcast": ("in grey light",),
}

PLACES: dict[str, tuple[str, ...]] = {
    "corridor": ("in a corridor", "in a hallway", "indoors, in a passage"),
    "house": ("in front of a house", "by a house", "outside a home"),
    "room": ("in a room", "in a furnished room", "indoors"),
    "street": ("in a street", "on a city street", "between buildings"),
    "field": ("in a field", "on farmland", "out in a field"),
    "coast": ("on a beach", "by the sea", "at the coast"),
    "mountains": ("in the mountains", "before mountains", "with mountains behind"),
    "forest": ("in a forest", "in the woods", "among trees"),
}

BACKGROUNDS: dict[str, tuple[str, ...]] = {
    "texture": ("on a rough background", "against a mottled wall", "on a blotchy surface"),
    "gradient": ("on a plain background", "against a smooth background", "on a shaded ground"),
    "collage": ("amid clutter", "in front of a jumble of things", "on a busy background"),
    "plain": ("on a plain background",),
}

JOINERS = ("and", "next to", "beside", "with", "near", "along with", "together with")

FRAMES = ("{}", "{}", "{}", "a picture of {}", "a photo of {}", "an image of {}",
          "a drawing of {}", "there is {}", "this is {}", "here we see {}", "we can see {}",
          "the picture shows {}", "you can see {}", "a view of {}", "in this image there is {}",
          "someone has drawn {}", "it shows {}", "a close look at {}")
"""``{}`` is the main thing with company and setting."""
