def page(found):
    import json
    return json.dumps(found, indent=1)[:20000], []
