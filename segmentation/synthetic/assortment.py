"""What the synthetic shop sells, as data: departments, their brands, and their categories.

Products are made from this table in `product_range`.
"""

from dataclasses import dataclass

HOME, KITCHEN, TECH, FASHION = "Home & Living", "Kitchen & Dining", "Electronics", "Fashion"
BEAUTY, GIFTS, SPORT, GARDEN = "Beauty & Health", "Toys & Gifts", "Sports & Outdoors", "Garden & DIY"
PANTRY, OFFICE = "Pantry & Household", "Office"

BRANDS: dict[str, str] = {
    HOME: "Larkfield, Norden House, Alder & Moss, Casa Lumen, Hearthline",
    KITCHEN: "Copperleaf, Maison Verel, Tafelgut, Brightwell, Kettle & Co",
    TECH: "Voltaro, Nimbus, Kestrel, Hexa, Auralis",
    FASHION: "Ardenne, Fjell, Marlowe, Odette, Northgate",
    BEAUTY: "Sylvara, Derma Nord, Bloomery, Pure Tonic, Halcyon",
    GIFTS: "Pennywhistle, Little Fox, Tinker Lane, Paperbird, Merrydown",
    SPORT: "Ridgeback, Altiora, Pacer, Tarn & Fell, Velox",
    GARDEN: "Greenspade, Ironwood, Bramble, Torque, Fieldhouse",
    PANTRY: "Oldmill, Harbour Roast, Sunny Pantry, Clearwash, Paws & Whiskers",
    OFFICE: "Inkwell, Quorum, Foliant, Deskmate, Staplecross",
}


@dataclass(frozen=True)
class Category:
    """One category of the assortment.

    Attributes:
        name: Category name, unique across departments.
        department: The department it belongs to.
        median_price: Median list price, in the shop's currency.
        price_spread: Standard deviation of the log price.
        popularity: Relative popularity among all categories.
        return_factor: How often its goods come back, relative to the average good.
        nouns: What is sold, separated by ", "; every noun comes in every variant.
        variants: Materials, styles or sizes, separated by ", ".
    """

    name: str
    department: str
    median_price: float
    price_spread: float
    popularity: float
    return_factor: float
    nouns: str
    variants: str


# fmt: off
CATEGORIES: tuple[Category, ...] = (
    Category("Bedding", HOME, 36.0, 0.45, 1.0, 1.1,
             "Duvet Cover, Fitted Sheet, Pillowcase Pair, Bedspread, Throw, Mattress Topper",
             "Linen, Cotton, Sateen, Bamboo, Flannel"),
    Category("Lighting", HOME, 44.0, 0.5, 0.8, 1.0,
             "Table Lamp, Floor Lamp, Pendant Light, Wall Light, String Lights",
             "Brass, Rattan, Opal Glass, Matt Black, Oak, Ceramic"),
    Category("Furniture", HOME, 330.0, 0.5, 0.45, 1.1,
             "Armchair, Bookcase, Coffee Table, Dining Table, Chest of Drawers, Two-Seat Sofa, Sideboard",
             "Oak, Walnut, White Ash, Industrial, Velvet"),
    Category("Rugs & Curtains", HOME, 41.0, 0.55, 0.7, 1.2,
             "Runner, Area Rug, Door Mat, Blackout Curtains, Voile Curtains, Cushion Cover",
             "Wool, Jute, Striped, Herringbone, Plain"),
    Category("Cookware", KITCHEN, 38.0, 0.5, 0.9, 0.7,
             "Frying Pan, Saucepan, Casserole, Roasting Tin, Wok, Griddle",
             "Cast Iron, Non-Stick, Copper, Stainless Steel, Enamel"),
    Category("Tableware", KITCHEN, 13.0, 0.5, 1.5, 0.7,
             "Dinner Plate, Bowl, Mug, Serving Platter, Wine Glass Pair, Cutlery Set, Jug",
             "Stoneware, Porcelain, Speckled, Ribbed, Vintage"),
    Category("Small Appliances", KITCHEN, 92.0, 0.55, 0.6, 1.2,
             "Kettle, Toaster, Blender, Stand Mixer, Espresso Machine, Air Fryer",
             "Compact, Digital, Classic, Pro, Family"),
    Category("Food Storage", KITCHEN, 12.0, 0.45, 1.2, 0.5,
             "Lunch Box, Storage Jar, Cake Tin, Bread Bin, Water Bottle, Spice Rack",
             "Glass, Retro, Bamboo, Polka Dot, Stackable"),
    Category("Computers", TECH, 560.0, 0.5, 0.4, 1.2,
             "Laptop, Monitor, Desktop PC, Graphics Tablet, Docking Station",
             "13-inch, 15-inch, Studio, Gaming, Office, Ultra"),
    Category("Audio", TECH, 98.0, 0.6, 0.7, 1.3,
             "Headphones, Earbuds, Bluetooth Speaker, Soundbar, Turntable, Radio",
             "Wireless, Noise-Cancelling, Portable, Hi-Fi, Retro"),
    Category("Phone Accessories", TECH, 17.0, 0.4, 1.2, 1.1,
             "Phone Case, Charger, Power Bank, Screen Protector, USB-C Cable, Car Mount",
             "Slim, Rugged, Magnetic, Fast, Clear"),
    Category("Televisions & Cameras", TECH, 610.0, 0.5, 0.35, 1.1,
             "Television, Projector, Mirrorless Camera, Action Camera, Camera Lens",
             "Compact, 4K, OLED, Travel, Pro"),
    Category("Womenswear", FASHION, 46.0, 0.5, 1.5, 2.4,
             "Dress, Blouse, Jumper, Jeans, Coat, Skirt, Cardigan",
             "Linen, Merino, Organic Cotton, Printed, Tailored"),
    Category("Menswear", FASHION, 43.0, 0.5, 1.2, 2.0,
             "Shirt, Chinos, Jumper, Jacket, Polo Shirt, T-Shirt Pack",
             "Oxford, Merino, Slim, Relaxed, Quilted"),
    Category("Shoes", FASHION, 68.0, 0.45, 0.9, 2.5,
             "Trainers, Ankle Boots, Loafers, Sandals, Slippers",
             "Leather, Suede, Canvas, Waterproof, Lined"),
    Category("Bags & Accessories", FASHION, 31.0, 0.55, 1.0, 1.1,
             "Tote Bag, Rucksack, Purse, Scarf, Belt, Gloves, Umbrella",
             "Leather, Canvas, Checked, Recycled, Wool"),
    Category("Jewellery", FASHION, 58.0, 0.6, 0.6, 0.9,
             "Necklace, Earrings, Bracelet, Ring, Watch",
             "Gold-Plated, Silver, Pearl, Birthstone, Rose Gold"),
    Category("Skincare", BEAUTY, 19.0, 0.5, 1.3, 0.4,
             "Day Cream, Night Cream, Cleanser, Serum, Face Mask, Sun Lotion",
             "Hydrating, Sensitive, Vitamin C, Rose, Anti-Ageing"),
    Category("Fragrance", BEAUTY, 39.0, 0.5, 0.8, 0.4,
             "Eau de Parfum, Eau de Toilette, Scented Candle, Reed Diffuser, Room Spray",
             "Amber, Fig, Neroli, Cedar, Sea Salt"),
    Category("Haircare", BEAUTY, 9.5, 0.4, 1.3, 0.3,
             "Shampoo, Conditioner, Hair Oil, Styling Cream, Dry Shampoo",
             "Argan, Repair, Volume, Colour Care, Everyday"),
    Category("Vitamins", BEAUTY, 15.0, 0.4, 0.9, 0.2,
             "Multivitamin, Vitamin D, Omega-3, Magnesium, Protein Powder",
             "30 Days, 60 Days, 90 Days, Vegan, Family"),
    Category("Toys", GIFTS, 24.0, 0.55, 1.1, 0.6,
             "Teddy Bear, Wooden Train, Building Set, Doll's House, Puzzle, Kite",
             "Classic, Mini, Giant, Rainbow, Woodland"),
    Category("Board Games", GIFTS, 26.0, 0.4, 0.7, 0.5,
             "Strategy Game, Card Game, Quiz, Chess Set, Party Game",
             "Family, Travel, Deluxe, Two-Player, Anniversary"),
    Category("Gift Sets", GIFTS, 29.0, 0.45, 0.9, 0.5,
             "Hamper, Bath Set, Chocolate Box, Tea Selection, Candle Trio, Photo Frame",
             "Luxury, Birthday, Christmas, Cosy, Thank You"),
    Category("Cards & Wrapping", GIFTS, 4.8, 0.35, 1.1, 0.2,
             "Card Pack, Wrapping Paper, Ribbon Roll, Gift Tags, Party Bunting",
             "Floral, Foil, Kraft, Spotty, Vintage"),
    Category("Seasonal Decorations", GIFTS, 16.0, 0.5, 0.8, 0.5,
             "Wreath, Bauble Set, Garland, Lantern, Advent Calendar, Tree Lights",
             "Nordic, Gold, Frosted, Felt, Traditional"),
    Category("Fitness", SPORT, 34.0, 0.65, 0.7, 1.0,
             "Yoga Mat, Dumbbell Pair, Kettlebell, Resistance Band Set, Foam Roller, Exercise Bike",
             "Beginner, Studio, Pro, Travel, Heavy"),
    Category("Cycling", SPORT, 52.0, 0.8, 0.5, 1.0,
             "Helmet, Bike Light, Floor Pump, Pannier, Jersey, City Bike",
             "Road, Commuter, Trail, Reflective, Junior"),
    Category("Camping", SPORT, 63.0, 0.65, 0.5, 1.0,
             "Tent, Sleeping Bag, Head Torch, Camping Stove, Folding Chair, Cool Box",
             "Ultralight, Family, Two-Person, All-Season, Compact"),
    Category("Running", SPORT, 47.0, 0.7, 0.7, 1.7,
             "Running Shoes, Shorts, Running Vest, Sports Watch, Socks Pack",
             "Trail, Road, Breathable, Thermal, Race"),
    Category("Garden Tools", GARDEN, 33.0, 0.7, 0.6, 0.6,
             "Secateurs, Spade, Hose, Watering Can, Wheelbarrow, Lawn Mower",
             "Stainless, Ash-Handled, Compact, Heavy-Duty, Cordless"),
    Category("Plants & Pots", GARDEN, 14.0, 0.5, 0.9, 0.4,
             "Planter, Herb Kit, House Plant, Bulb Collection, Hanging Basket",
             "Terracotta, Glazed, Zinc, Large, Small"),
    Category("Power Tools", GARDEN, 118.0, 0.45, 0.35, 0.8,
             "Drill, Jigsaw, Sander, Circular Saw, Pressure Washer",
             "12 V, 18 V, Brushless, Compact, Pro"),
    Category("Paint & Decorating", GARDEN, 22.0, 0.45, 0.7, 0.5,
             "Emulsion, Wood Stain, Roller Set, Brush Set, Wallpaper Roll",
             "White, Sage, Clay, Trade, Washable"),
    Category("Coffee & Tea", PANTRY, 7.9, 0.35, 1.7, 0.15,
             "Coffee Beans, Ground Coffee, Black Tea, Green Tea, Hot Chocolate",
             "House Blend, Organic, Dark, Decaf, Single Origin"),
    Category("Snacks & Sweets", PANTRY, 4.2, 0.35, 1.6, 0.1,
             "Mixed Nuts, Dark Chocolate, Shortbread, Fudge, Crackers, Dried Fruit",
             "Salted, Organic, Sharing Bag, Mini, Assorted"),
    Category("Household Supplies", PANTRY, 6.5, 0.4, 1.8, 0.15,
             "Laundry Liquid, Dish Tabs, Surface Spray, Kitchen Roll, Bin Bags, Sponges",
             "Eco, Lemon, Sensitive, Value Pack, Concentrate"),
    Category("Pet Food", PANTRY, 16.0, 0.45, 0.9, 0.2,
             "Dry Dog Food, Wet Dog Food, Dry Cat Food, Wet Cat Food, Cat Litter",
             "Adult, Junior, Senior, Grain-Free, Multipack"),
    Category("Office Supplies", OFFICE, 6.2, 0.5, 1.2, 0.3,
             "Notebook, Ballpoint Pack, Ring Binder, Sticky Notes, Desk Tidy, Envelopes",
             "A4, A5, Recycled, Coloured, Bulk"),
    Category("Printing", OFFICE, 24.0, 0.5, 0.6, 0.5,
             "Copier Paper, Ink Cartridge, Toner, Label Roll, Photo Paper",
             "Standard, XL, Premium, Matt, Multipack"),
)
# fmt: on
