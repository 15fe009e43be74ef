-- A search service: three texts are embedded for one pair that is compared.
require("scenario")({ embedding = 3, similarity = 1 })
