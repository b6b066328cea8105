# Stands for the import of last night's price list: it runs once, on the first start of an empty database.
echo "importing the price list, which takes ${SEED_SECONDS:-8} s"
sleep "${SEED_SECONDS:-8}"
psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --no-psqlrc -c "
    CREATE TABLE prices (item text PRIMARY KEY, cents integer NOT NULL);
    INSERT INTO prices VALUES ('lamp', 4900), ('chair', 12900), ('table', 34900);"
