/* The price of an order in cents: 1 % off for every ten pieces, 20 % at most. */
int total(int cents, int quantity)
{
    int percent = quantity / 10;
    if (percent > 20)
        percent = 20;
    return cents * quantity * (100 - percent) / 100;
}
