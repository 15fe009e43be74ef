-- Two texts a request.
require("scenario")({ similarity = 1 })
